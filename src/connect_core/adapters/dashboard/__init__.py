"""The Dashboard: Connect > Connections, where a person creates, accepts and ends Connections.

`create_dashboard` returns an ASGI application. Mount it in FastAPI, Starlette or Django, beside the
API or without it: ``app.mount("/partners", create_dashboard(authenticate=..., transactions=...))``.

Pages are complete without JavaScript, and load nothing from elsewhere. They decide nothing: a menu
is `connect_core.actions`, a refusal is the policy's. The host says who is signed in; one without a
sign-in of its own takes `connect_core.adapters.dashboard.sign_in.KeySignIn`, which needs the extra
`sql`.
"""

from connect_core.adapters.dashboard.application import create_dashboard
from connect_core.adapters.dashboard.ports import Authenticate, Describe, Search, Visitor

__all__ = ["Authenticate", "Describe", "Search", "Visitor", "create_dashboard"]
