"""Commands about models: train, reproduce, list, promote, accept-promise, rollback, shadow, delete."""
