/** Real nodes in this process, over real sockets, each with a data directory of its own. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIdentity, formatJoinToken, type Identity, invite, parseJoinToken, universeId } from '#protocols/access'
import type { Role } from '#protocols/lifecycle'
import type { NodeConfig } from '#node/config'
import type { RunningNode } from '#node/universe'
import { startNode } from './components.ts'

const HOUR_MS = 3_600_000

export class TestMesh {
  readonly nodes: RunningNode[] = []
  readonly #dir: string
  #count = 0

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async create(): Promise<TestMesh> {
    return new TestMesh(await mkdtemp(join(tmpdir(), 'osiris-mesh-')))
  }

  /** The first node founds the universe, the others join it through the first. */
  async add(roles: Role[], config: Partial<NodeConfig> = {}): Promise<RunningNode> {
    const first = this.nodes[0]
    const node = await startNode({
      ...this.config(`node-${++this.#count}`, roles),
      join: first === undefined ? [] : [first.joinToken],
      ...config,
    })
    this.nodes.push(node)
    return node
  }

  /** A node that is let in by a join token, where not everybody is. */
  async enter(name: string, roles: Role[], token: string): Promise<RunningNode> {
    const node = await startNode({ ...this.config(name, roles), developer: false, join: [token] })
    this.nodes.push(node)
    return node
  }

  /** The same with a token of its own, good for this once, through a node that is up. */
  async enterBy(issuer: Identity, through: RunningNode, name: string, roles: Role[]): Promise<RunningNode> {
    const door = parseJoinToken(through.joinToken)
    const invited = invite(issuer, universeId(door.universe), { roles, uses: 1, expiresAtMs: Date.now() + HOUR_MS })
    return this.enter(name, roles, formatJoinToken({ ...door, invited }))
  }

  /** The root's key, as the first node has it. */
  async root(): Promise<Identity> {
    const text = await readFile(join(this.config('node-1', []).dataDir, 'root.key'), 'utf8')
    return createIdentity(Buffer.from(text.trim(), 'hex'))
  }

  config(name: string, roles: Role[]): NodeConfig {
    return {
      name,
      roles,
      dataDir: join(this.#dir, name),
      stateDir: join(this.#dir, 'state'),
      httpHost: '127.0.0.1',
      httpPort: 0,
      p2pListen: ['/ip4/127.0.0.1/tcp/0'],
      join: [],
      universeName: 'test',
      developer: true,
      developerToken: undefined,
      capacity: 100,
      labels: {},
      limits: {},
      spares: 1,
      walls: 'auto',
      egressPrivate: true,
      artifactCacheBytes: 1024 ** 3,
      domain: 'localhost',
      logLevel: 'error',
      dht: true,
      drainTimeoutMs: 2000,
      bodyTimeoutMs: 30_000,
      connectionsPerAddress: 4000,
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
    await rm(this.#dir, { recursive: true, force: true })
  }
}
