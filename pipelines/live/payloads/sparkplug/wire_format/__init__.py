"""Bytes of Sparkplug B payloads: protocol buffers, tables of metrics, properties; nothing of nodes or births."""
