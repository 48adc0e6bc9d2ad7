"""The customer-service platform: an Intent Agent, and the specialists that it routes to.

It stands on the library's public API alone, so it is also an example of what anyone can build on it.
`platform` puts it together; nothing is imported here, so that one agent can be had without the rest.
"""
