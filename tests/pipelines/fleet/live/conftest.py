"""Leave out what needs the extra `live` where it is not installed."""

from importlib.util import find_spec

collect_ignore = [
    name
    for name, package in {
        "test_fleet_live_opcua.py": "asyncua",
        "test_fleet_live_mtconnect.py": "defusedxml",
        "test_fleet_live_listened.py": "paho",
        "test_fleet_live_mqtt.py": "paho",
        "test_fleet_live_sparkplug.py": "paho",
        "test_fleet_live_command.py": "paho",
    }.items()
    if find_spec(package) is None
]
