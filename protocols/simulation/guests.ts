/** Newcomers who come to the nodes that may let them in, all with one invitation, more of them than it is good for. */
import { present } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { ADMINS, GUESTS, GUESTS_MAX, INVITED } from './cast.ts'
import type { Dice } from './dice.ts'
import type { World } from './world.ts'

const EVERY_MS = { min: 200, max: 900 }

export class Guests {
  readonly #world: World
  readonly #dice: Dice
  #coming = true

  constructor(world: World) {
    this.#world = world
    this.#dice = world.dice.fork('guests')
  }

  start(): void {
    this.#world.after(this.#dice.between(EVERY_MS.min, EVERY_MS.max), () => {
      if (!this.#coming) return
      void this.#come()
      this.start()
    })
  }

  stop(): void {
    this.#coming = false
  }

  /** No ledger lets in more than were invited, whoever let them in and wherever. */
  judge(): void {
    for (const node of this.#world.keepers) {
      const { ledger, life } = node
      if (ledger === undefined || life === undefined) continue
      const guests = GUESTS.filter(({ id }) => ledger.authority().isMember(id, life.clock.now()))
      this.#world.history.counts.guests += guests.length
      if (guests.length > GUESTS_MAX)
        this.#world.fail('invitations are good for so many', `${node.name} has ${guests.length} guests of an invitation for ${GUESTS_MAX}`)
    }
  }

  async #come(): Promise<void> {
    const guest = this.#dice.pick(GUESTS)
    const node = this.#dice.pick(this.#world.nodes.slice(0, ADMINS))
    const { ledger } = node
    if (ledger === undefined || node.meetsUntilMs > this.#world.now) return
    const candidate = { member: guest.id, name: 'guest', roles: ['router' as const], invitation: present(INVITED, guest.id) }
    const answer = await ledger.admitter.admit(candidate).then(
      () => 'is let in',
      (error: unknown) => (error instanceof OsirisError ? error : String(error)),
    )
    if (typeof answer !== 'string') this.#world.note(node.name, `lets nobody in: ${answer.code}`)
    else if (answer === 'is let in') this.#world.note(node.name, `lets ${guest.id.slice(0, 6)} in`)
    else this.#world.fail('typed errors', `${node.name} lets nobody in: ${answer}`)
  }
}
