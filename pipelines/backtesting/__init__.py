"""The `backtest` job: replay a workspace's history, with its table and its page."""
