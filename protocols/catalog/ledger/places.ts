/** Places of all entries that are in force, in their total order when somebody asks. */
import { comparePlaces, type Place } from './entry.ts'

export class Places {
  #places: Place[] = []
  #sorted = true

  get size(): number {
    return this.#places.length
  }

  add(place: Place): void {
    const last = this.#places.at(-1)
    this.#sorted &&= last === undefined || comparePlaces(last, place) < 0
    this.#places.push(place)
  }

  remove(isOut: (place: Place) => boolean): void {
    this.#places = this.#places.filter((place) => !isOut(place))
  }

  inOrder(): readonly Place[] {
    if (!this.#sorted) this.#places = this.#places.toSorted(comparePlaces)
    this.#sorted = true
    return this.#places
  }
}
