"""Web middleware: one scope for each request, one first-party cookie for each device.

`stitchline.middleware.wsgi.WSGIMiddleware` (Django, Flask) and `stitchline.middleware.asgi.ASGIMiddleware`
(FastAPI, Starlette, Django). Neither imports a framework.
"""
