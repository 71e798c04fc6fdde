"""The edge: messages kept on disk until the ingester confirms them, and published over MQTT in order."""
