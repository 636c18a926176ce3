/** What honest nodes take from the DHT: said by a catalog that may, of the function under whose key it lies, and of nothing that nobody deployed. */
import { publicKeyOf, verifySignature } from '#protocols/access'
import { decode } from '#protocols/codec'
import { type Manifest, versionOf } from '#protocols/manifest'
import type { Node } from '../node.ts'
import { keyOf } from '../poison.ts'
import type { HeardRecord } from '../transport.ts'
import type { World } from '../world.ts'

const DOMAIN = Buffer.from('osiris/head/1\0')
interface Statement {
  signer: string
  namespace: string
  name: string
  shown: { manifest: Manifest }[]
}

export function judgeRecord(world: World, node: Node, { key, value, taken }: HeardRecord): void {
  if (!taken) return
  const [payload, signature] = decode(value) as [Uint8Array, Uint8Array]
  const { signer, namespace, name, shown } = decode(payload) as Statement
  const where = `${node.name} took a record of ${namespace}/${name}`
  const fail = (text: string) => world.fail('poisoned records are never used', `${where} ${text}`)
  if (!world.keepers.some((each) => each.identity.id === signer)) fail(`that ${signer.slice(0, 6)} has no right to make`)
  else if (!verifySignature(publicKeyOf(signer), Buffer.concat([DOMAIN, payload]), signature)) fail('that its signer did not sign')
  else if (key !== keyOf(namespace, name)) fail('under the key of another function')
  else if (shown.some(({ manifest }) => !world.history.versions.has(versionOf(manifest)))) fail('with code that nobody deployed')
}
