/**
 * Routes as functions publish them: `[METHOD[,METHOD]] [host]/path`, with `:param` for one segment and a trailing `*` for the rest.
 * Pure. Precedence: a host beats no host, then segment by segment a literal beats `:param` beats `*`, then named methods beat all methods.
 */
