/** What is no HTTP request at all: answered where nothing else is being answered, then cut. */
import type { Socket } from 'node:net'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { OsirisError } from '#protocols/errors'
import type { HttpLimits } from './limits.ts'
import { problemOf, REQUEST_TIMEOUT } from './problem.ts'

export function answerClientError(error: NodeJS.ErrnoException, socket: Socket, limits: HttpLimits): void {
  // A reset has nobody to answer; bytes on the wire already mean an answer has begun, and a second one would be read as the next (response splitting).
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  end(socket, errorOf(error, limits), error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? REQUEST_TIMEOUT : undefined)
}

/** Before anything is read. */
export function refuseConnection(socket: Duplex): void {
  end(socket, new OsirisError('overloaded', 'Cannot take the connection: there are too many from its address'))
}

/** CONNECT asks for a tunnel: `node:http` gives such a request no response to write. */
export function refuseTunnel(socket: Duplex): void {
  end(socket, new OsirisError('invalid_argument', 'Cannot CONNECT: this server is no proxy'))
}

function end(socket: Duplex, error: OsirisError, as?: number): void {
  const { status, headers, body } = problemOf(error, as)
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'connection: close']
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
  socket.on('error', () => {})
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]))
}

function errorOf(error: NodeJS.ErrnoException, limits: HttpLimits): OsirisError {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new OsirisError('payload_too_large', `Cannot read the request: its headers are longer than ${limits.headerBytesMax} bytes`)
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new OsirisError('deadline_exceeded', `Cannot read the request: its headers did not come within ${limits.headersTimeoutMs} ms`)
  }
  return new OsirisError('invalid_argument', 'Cannot read the request: it is not well-formed HTTP/1.1')
}
