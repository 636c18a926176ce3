/** The router's one message is an invocation, its answer an outcome: both are in `#protocols/invocation-wire`. */
export const ROUTER_PROTOCOL = 'router/1'
