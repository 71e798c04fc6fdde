"""SAP plant maintenance (OData V2): a session with a system; a notification for each event, one open for a machine."""
