"""SAP plant maintenance (OData V2): one session with a system, and a notification for each event, never two, nor two open ones of a machine."""
