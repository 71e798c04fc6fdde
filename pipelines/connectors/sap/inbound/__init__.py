"""What comes back from SAP: changed notifications and orders as failures and work orders, through their contracts."""
