/** What happened to functions and members, as events that every router names the same. Pure. */
import type { FunctionRecord } from '#protocols/catalog'
import { encode, idOfCause } from '#protocols/codec'
import type { Member, Peer } from '#protocols/network'

export interface Happening {
  /** `osiris.function.published` and so on. */
  topic: string
  /** Whom or what it is about, the same on every router that sees it. */
  subject: string
  /** Who may hear of it; `null`: every namespace. */
  namespace: string | null
  /** Who cannot tell of it: a member does not see itself come or go. */
  except: Peer | null
  data: Record<string, unknown>
}

/** The part of a record that says whether something was published. */
export type Seen = Pick<FunctionRecord, 'namespace' | 'name' | 'version' | 'publishedAt'>

export function published({ namespace, name, version, ordinal, publishedAt, publishedBy }: FunctionRecord): Happening {
  return {
    topic: 'osiris.function.published',
    subject: `${namespace}/${name}@${version}#${publishedAt}`,
    namespace,
    except: null,
    data: { namespace, name, version, ordinal, publishedAt, publishedBy },
  }
}

export function removed({ namespace, name, version, publishedAt }: Seen): Happening {
  return {
    topic: 'osiris.function.removed',
    subject: `${namespace}/${name}@${version}#${publishedAt}`,
    namespace,
    except: null,
    data: { namespace, name, version },
  }
}

export function joined({ peer, name, roles }: Pick<Member, 'peer' | 'name' | 'roles'>): Happening {
  return { topic: 'osiris.member.joined', subject: peer, namespace: null, except: peer, data: { peer, name, roles } }
}

export function left(peer: Peer, name: string, reason: string): Happening {
  return { topic: 'osiris.member.left', subject: peer, namespace: null, except: peer, data: { peer, name, reason } }
}

/** Where happenings of one kind about one thing meet. */
export function keyOf({ topic, subject }: Pick<Happening, 'topic' | 'subject'>): string {
  return `${topic} ${subject}`
}

/** Of a thing that happens once it is made of what it is about, so that two routers that tell of it are heard once; of a member, which comes and goes, of the moment too. */
export function idOf(happening: Happening, now: number): string {
  return idOfCause(encode([happening.topic, happening.subject, happening.namespace === null ? now : 0]))
}
