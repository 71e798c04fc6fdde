"""Schemas of requests and answers, and the OpenAPI document generated from them."""
