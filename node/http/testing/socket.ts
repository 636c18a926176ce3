/** HTTP by hand, for what no client would send. */
import { connect, type Socket } from 'node:net'

export function open(url: string): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  return socket
}

/** Sends the text and gives everything that came back when the server closed the connection. */
export function exchange(url: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = open(url)
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => void (answer += chunk))
    socket.on('close', () => resolve(answer))
    socket.write(text)
  })
}
