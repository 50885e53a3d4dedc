"""Who a client is, found out before anything is read: the gate, and the ways of `auth`."""
