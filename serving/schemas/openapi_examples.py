"""Example requests in the OpenAPI document; the endpoint's tests send them."""

_INSTANT = "2015-03-05T06:00:00Z"

PREDICT = {
    "stored": {
        "summary": "Assets by name, from stored telemetry",
        "value": {"assets": ["azure-01", "azure-02"], "as_of": _INSTANT},
    },
    "scored": {
        "summary": "Many assets at once, from the features of the last scoring run",
        "value": {"assets": ["azure-01", "azure-02"], "features": "stored", "explain": False},
    },
    "sent": {
        "summary": "A window of telemetry, reading by reading",
        "value": {
            "windows": [
                {
                    "asset": "azure-01",
                    "as_of": _INSTANT,
                    "telemetry": [
                        {
                            "event_time": "2015-03-05T05:00:00Z",
                            "volt": 171.2,
                            "rotate": 446.6,
                            "pressure": 98.9,
                            "vibration": 40.1,
                        }
                    ],
                    "events": [{"event_time": "2015-03-05T04:00:00Z", "code": "error1"}],
                }
            ]
        },
    },
    "columns": {
        "summary": "The same, channel by channel: shorter and faster to read",
        "value": {
            "windows": [
                {
                    "asset": "azure-01",
                    "as_of": _INSTANT,
                    "telemetry": {
                        "event_time": ["2015-03-05T04:00:00Z", "2015-03-05T05:00:00Z"],
                        "channels": {
                            "volt": [170.3, 171.2],
                            "rotate": [450.1, 446.6],
                            "pressure": [99.4, 98.9],
                            "vibration": [39.8, None],
                        },
                    },
                }
            ]
        },
    },
}

WORKLIST = {
    "week": {
        "summary": "A week, with crews for two machines a day",
        "value": {
            "days": 7,
            "crews": {"machines_per_day": 2},
            "costs": {
                "planned": 1_500.0,
                "failure": 20_000.0,
                "downtime_per_hour": 450_000.0,
                "unplanned_hours": 4.0,
            },
            "repair_hours": 3.0,
            "per_asset": {"azure-01": {"repair_hours": 6.0}},
        },
    }
}

WORK_ORDERS = {
    "finding": {
        "summary": "An alarm was inspected, and the defect found",
        "value": {
            "work_orders": [
                {
                    "work_order_id": "WO-2015-0311",
                    "asset": "azure-01",
                    "event_time": _INSTANT,
                    "kind": "inspection",
                    "component": "comp2",
                    "finding": "defect_confirmed",
                    "prompted_by": "alarm",
                    "prediction_id": "0b9b3a5e6a3d4f0c9d7e2f8f6f1c4a11",
                }
            ]
        },
    }
}

TWIN_CHANGE = {
    "override": {
        "summary": "A sensor hangs: what it says is overridden for a shift",
        "value": {
            "properties": {"volt": {"value": 171.0}},
            "reason": "the sensor hangs; measured by hand",
            "expires_at": "2099-01-01T00:00:00Z",
        },
    },
    "release": {
        "summary": "The sensor was repaired before the override ended by itself",
        "value": {"properties": {"volt": {"value": None}}, "reason": "sensor replaced"},
    },
}

ROLL_BACK = {"mistake": {"summary": "The wrong machine", "value": {"revision": 0, "reason": "the wrong machine"}}}
