"""Calls: released at a control point, carried to gateways, followed by suppliers' events."""
