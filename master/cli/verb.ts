// What verbs share: the options that say which master, and how an action's end becomes the exit code.
import {type Command, InvalidArgumentError, Option} from 'commander'
import {parseDuration} from '../../config/terms/durations.ts'
import {openClient, type Client, type ClientOptions} from './client.ts'
import type {Exit} from './exits.ts'

export const defaultMaster = 'http://127.0.0.1:8010'

/** A verb adds itself to the program; `end` takes its exit code. */
export type Verb = (program: Command, end: (exit: Exit) => void) => void

export interface ClientFlags extends ClientOptions {
  readonly json?: boolean
}

/** A verb that asks a master. */
export function clientVerb(program: Command, usage: string, description: string): Command {
  return program
    .command(usage)
    .description(description)
    .addOption(new Option('--master <url>', 'the master to ask').env('OSTLER_MASTER').default(defaultMaster))
    .option(
      '--token-file <file>',
      "a file with your token (else OSTLER_TOKEN, else systemd's credential ostler-token)",
    )
    .addOption(
      new Option('--ca <file>', "trust the issuers in this file for the master's certificate").env(
        'OSTLER_CA',
      ),
    )
    .option('--state-dir <dir>', "use the administrator's token of the master with this state directory")
    .option('--json', 'write the answer as JSON')
}

/** The client that a verb's options name. */
export const clientOf = (flags: ClientFlags): Promise<Client> => openClient(flags)

/** Gathers `name=value` options. */
export function gather(value: string, before: Record<string, string> = {}): Record<string, string> {
  const at = value.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('expected name=value')
  return {...before, [value.slice(0, at)]: value.slice(at + 1)}
}

export function count(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text) || Number(text) > 500)
    throw new InvalidArgumentError('expected a number from 1 to 500')
  return Number(text)
}

/** A length of time such as `2h30m`, in seconds. */
export function span(text: string): number {
  const ms = parseDuration(text)
  if (ms === null || ms < 1000) throw new InvalidArgumentError('expected a time such as 30m, 2h or 3d')
  return Math.round(ms / 1000)
}
