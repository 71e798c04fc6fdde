"""The plant on MQTT: messages with epoch and sequence as Arrow, JSON or Sparkplug B."""
