// What has to be ended, in the reverse of the order in which it was begun: a test's `teardown` for programs without a test.

export class Ends {
  private readonly ends: (() => unknown)[] = []

  teardown(end: () => unknown): void {
    this.ends.unshift(end)
  }

  /** Ends everything, though something fails to; throws the first failure then. */
  async end(): Promise<void> {
    const failures: unknown[] = []
    for (const end of this.ends.splice(0))
      try {
        await end()
      } catch (error) {
        failures.push(error)
      }
    if (failures.length > 0) throw failures[0]
  }
}
