"""MQTT brokers: where one is and who may use it, connections to it, and one to start where none runs."""
