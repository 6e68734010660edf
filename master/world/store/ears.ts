// Who in this process listens to which NOTIFY channel.

type Heard = (payload: string) => void

export class Ears {
  #listeners = new Map<string, Set<Heard>>()
  #fault: (error: unknown) => void

  /** `fault` hears what a listener throws: a listener must not break the connection it is called from. */
  constructor(fault: (error: unknown) => void) {
    this.#fault = fault
  }
  add(channel: string, heard: Heard): void {
    const listeners = this.#listeners.get(channel)
    if (listeners) listeners.add(heard)
    else this.#listeners.set(channel, new Set([heard]))
  }
  remove(channel: string, heard: Heard): void {
    const listeners = this.#listeners.get(channel)
    listeners?.delete(heard)
    if (listeners?.size === 0) this.#listeners.delete(channel)
  }
  has(channel: string): boolean {
    return this.#listeners.has(channel)
  }
  channels(): string[] {
    return [...this.#listeners.keys()]
  }
  hear(channel: string, payload: string): void {
    for (const heard of this.#listeners.get(channel) ?? [])
      try {
        heard(payload)
      } catch (error) {
        this.#fault(error)
      }
  }
  /** After a break in the connection: everybody looks for himself, told so by an empty payload. */
  mayHaveMissed(): void {
    for (const channel of this.channels()) this.hear(channel, '')
  }
}
