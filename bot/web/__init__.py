"""The aiohttp application: webhooks, the web chat, health."""
