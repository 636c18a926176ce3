/** Bodies that are held until they are whole, within `bodyTimeoutMs`: a request that stops half-way is told so and let go. */
import { OsirisError } from '#protocols/errors'
import { collectBody, lengthOf } from './body.ts'
import { type Exchange, refuse } from './exchange.ts'
import { REQUEST_TIMEOUT } from './problem.ts'

/** The whole body to `then`; whatever is wrong with it, or thrown by `then`, ends the exchange. */
export function collectIn(exchange: Exchange, bytesMax: number, then: (body: Buffer) => void): void {
  const { parts, request, connection } = exchange
  let isLate = false
  const collecting = {
    since: parts.clock.monotonic(),
    late: () => {
      isLate = true
      refuseLate(exchange)
    },
  }
  connection.collecting = collecting
  collectBody(request, bytesMax, (error, body) => {
    if (connection.collecting === collecting) connection.collecting = undefined
    if (isLate) return
    if (error !== undefined) return refuse(exchange, error)
    try {
      then(body)
    } catch (thrown) {
      refuse(exchange, thrown)
    }
  })
}

/** The same bound where somebody else reads the body. */
export function awaitBody(exchange: Exchange): void {
  const { parts, request, connection } = exchange
  if (request.complete || lengthOf(request) === 0) return
  const collecting = {
    since: parts.clock.monotonic(),
    late: () => {
      if (!request.complete) refuseLate(exchange)
    },
  }
  connection.collecting = collecting
  const over = (): void => {
    if (connection.collecting === collecting) connection.collecting = undefined
  }
  request.once('end', over).once('close', over)
}

function refuseLate(exchange: Exchange): void {
  const { parts, response } = exchange
  // What is left of the request is never the next one.
  response.shouldKeepAlive = false
  const text = `Cannot read the request: its body did not come within ${parts.limits.bodyTimeoutMs} ms`
  refuse(exchange, new OsirisError('deadline_exceeded', text), REQUEST_TIMEOUT)
}
