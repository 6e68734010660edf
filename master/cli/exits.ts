// How the command ends: what its exit codes mean, everywhere.

/** done: it is so. failed: the thing asked about failed. usage: wrong usage or configuration. away: not reached, or refused. */
export const exits = {done: 0, failed: 1, usage: 2, away: 3} as const
export type Exit = (typeof exits)[keyof typeof exits]

/** Ends the command with a message for people. */
export class Ending extends Error {
  override readonly name = 'Ending'
  readonly exit: Exit
  constructor(exit: Exit, message: string) {
    super(message)
    this.exit = exit
  }
}
