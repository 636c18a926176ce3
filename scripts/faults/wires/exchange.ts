/**
 * A process in a network namespace of its own, through which every frame between the nodes passes: each node has a namespace, and its only way to the others is
 * a VXLAN device whose other end is this process's socket. So what is lost, late or cut is decided frame by frame, in one place, and the kernels' TCP sees what
 * it would see of a bad network. Started by `lab.ts`, which it does not outlive; namespaces without a process are taken down by the kernel.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Dice } from '../dice.ts'
import { Link, type Weather } from './link.ts'
import { hostTo, sumUp } from './packet.ts'
import { GATE, HTTP_PORT, meshAddress, nodeAddress, type Order, type Reply } from './orders.ts'

/** One direction of a link, and what is on its way there. */
interface Line {
  link: Link
  waiting: { at: number; frame: Buffer }[]
  timer: NodeJS.Timeout | undefined
}

const VXLAN_PORT = 4789
const SOCKET_BYTES = 8 * 1024 * 1024
const [count = 0, seed = 0] = process.argv.slice(2, 4).map(Number)

const socket = createSocket({ type: 'udp4', recvBufferSize: SOCKET_BYTES, sendBufferSize: SOCKET_BYTES })
const lines = new Map<string, Line>()
const dice = new Dice(seed, 'wires')
const holders: ChildProcess[] = []

process.once('disconnect', () => process.exit())
ip(['link set lo up', 'link add br0 type bridge', `addr add ${GATE}/24 dev br0`, 'link set br0 up'])
for (let node = 0; node < count; node += 1) holders.push(await join(node))
socket.on('message', forward)
socket.bind(VXLAN_PORT, GATE)
await once(socket, 'listening')
process.on('message', (order: Order, handle?: unknown) => void obey(order, handle as Server | undefined))
tell({ id: 0, holders: holders.map(({ pid }) => pid ?? 0) })

/** A namespace for a node: one cable to this process, and over it one device that looks like a network with all the others in it. */
async function join(node: number): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  // Between themselves the cables are silent: only frames that this process hands on arrive.
  ip([
    `link add v${node} type veth peer name cable netns ${holder.pid}`,
    `link set v${node} master br0 up`,
    `link set v${node} type bridge_slave isolated on`,
  ])
  const others = Array.from({ length: count }, (_, other) => other).filter((other) => other !== node)
  ip(
    [
      'link set lo up',
      `addr add ${nodeAddress(node)}/24 dev cable`,
      'link set cable up',
      `link add mesh type vxlan id 7 remote ${GATE} dstport ${VXLAN_PORT} dev cable nolearning`,
      // Segments as they would be on a cable, not in bundles of 64 KiB.
      `link set mesh addrgenmode none address ${hardwareAddress(node)} gso_max_segs 1`,
      `addr add ${meshAddress(node)}/24 dev mesh`,
      'link set mesh up',
      ...others.map((other) => `neigh add ${meshAddress(other)} lladdr ${hardwareAddress(other)} dev mesh nud permanent`),
    ],
    // This process is among its users already, whoever made them.
    ['nsenter', '--target', String(holder.pid), '--net'],
  )
  return holder
}

function hardwareAddress(node: number): string {
  return `02:00:00:00:00:${(node + 1).toString(16).padStart(2, '0')}`
}

function ip(lines: string[], inside: readonly string[] = []): void {
  const [command, ...args] = [...inside, 'ip', '-batch', '-']
  execFileSync(command, args, { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'inherit'] })
}

function forward(frame: Buffer, { address }: { address: string }): void {
  const from = Number(address.slice(address.lastIndexOf('.') + 1)) - 1
  const to = (hostTo(frame) ?? 0) - 1
  if (to < 0 || to >= count) return
  const now = performance.now()
  const line = lineOf(from, to)
  const at = line.link.arrival(frame.length, now, () => dice.share())
  if (at === undefined) return
  sumUp(frame)
  line.waiting.push({ at, frame })
  deliver(line, to)
}

/** In the order they were sent. */
function deliver(line: Line, to: number): void {
  const now = performance.now()
  for (let first = line.waiting[0]; first !== undefined && first.at <= now; first = line.waiting[0]) {
    line.waiting.shift()
    socket.send(first.frame, VXLAN_PORT, nodeAddress(to))
  }
  const [next] = line.waiting
  if (next === undefined || line.timer !== undefined) return
  line.timer = setTimeout(() => {
    line.timer = undefined
    deliver(line, to)
  }, next.at - now)
}

function lineOf(from: number, to: number): Line {
  const key = `${from} ${to}`
  const line = lines.get(key) ?? { link: new Link(), waiting: [], timer: undefined }
  lines.set(key, line)
  return line
}

async function obey(order: Order, handle: Server | undefined): Promise<void> {
  if (order.kind === 'weather') for (const [from, to, weather] of order.links) setWeather(from, to, weather)
  else if (order.kind === 'door') handle?.on('connection', (client: Socket) => relay(client, order.node))
  else {
    const server = createServer().listen(0, GATE)
    await once(server, 'listening')
    // From then on connections are the other process's alone.
    return tell({ id: order.id, port: (server.address() as { port: number }).port }, server, () => server.close())
  }
  tell({ id: order.id })
}

function setWeather(from: number, to: number, weather: Weather): void {
  lineOf(from, to).link.weather = weather
}

/** From whoever calls, outside, to a node's HTTP door. */
function relay(client: Socket, node: number): void {
  const inside = connect({ port: HTTP_PORT, host: nodeAddress(node), noDelay: true })
  client.setNoDelay()
  inside.on('error', () => client.resetAndDestroy())
  client.on('error', () => inside.destroy())
  client.on('close', () => inside.destroy())
  client.pipe(inside).pipe(client)
}

function tell(reply: Reply, handle?: Server, sent = () => {}): void {
  process.send?.(reply, handle, {}, sent)
}
