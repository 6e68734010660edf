// What the stage "builds" remembers of the plans of running attempts: a plan never changes, and a build reports often.
import type {AttemptState} from '../core/apply.ts'
import type {World} from '../world/world.ts'

const attemptsMax = 1_000

export class Planned {
  readonly #steps = new Map<string, AttemptState['steps']>()

  /** Gives attempts the names and kinds of their steps. */
  async complete(
    {ledger, store}: Pick<World, 'ledger' | 'store'>,
    states: readonly Omit<AttemptState, 'steps'>[],
  ): Promise<AttemptState[]> {
    const unknown = states.map(({attempt}) => attempt).filter((attempt) => !this.#steps.has(attempt))
    for (const [attempt, steps] of await ledger.plannedSteps(store, unknown)) this.#steps.set(attempt, steps)
    const completed = states.map((state) => ({...state, steps: this.#steps.get(state.attempt) ?? []}))
    for (const [attempt] of this.#steps) {
      if (this.#steps.size <= attemptsMax) break
      this.#steps.delete(attempt)
    }
    return completed
  }

  /** The attempts are over. */
  forget(attempts: readonly string[]): void {
    for (const attempt of attempts) this.#steps.delete(attempt)
  }
}
