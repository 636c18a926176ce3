/** The executor's one message is a placed invocation, its answer an outcome: both are in `#protocols/invocation-wire`. */
export const EXECUTOR_PROTOCOL = 'executor/1'
