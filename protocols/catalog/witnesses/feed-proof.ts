/** That a node holds the key of a feed other than its own: the root's. Good for this node alone, so that nobody who hears it can use it. */
import { type Identity, publicKeyOf, verifySignature } from '#protocols/access'
import { encode } from '#protocols/codec'

/** A feed somebody is about to write to; without `proof` the sender's own. */
export interface Feed {
  author: string
  proof?: Uint8Array | undefined
}

/** `writer`: the key of the node that will write. */
export function proveFeed(key: Identity, universe: string, writer: string): Feed {
  return { author: key.id, proof: new Uint8Array(key.sign(bytesOf(universe, key.id, writer))) }
}

export function isProven({ author, proof }: Feed, universe: string, writer: string): boolean {
  return proof !== undefined && verifySignature(publicKeyOf(author), bytesOf(universe, author, writer), proof)
}

function bytesOf(universe: string, author: string, writer: string): Uint8Array {
  return Buffer.concat([Buffer.from('osiris/feed/1\0'), encode({ universe, author, writer })])
}
