// The whole command line as one tree, for whoever runs it and for whoever prints it: help, man pages, completion.
import {Command} from 'commander'
import {ownVersion} from '../world/place.ts'
import type {Exit} from './exits.ts'
import {verbs} from './verbs/index.ts'

/** The `ostler` command with every verb; nothing runs until it is given words, and `end` takes a verb's exit code. */
export function ostlerProgram(end: (exit: Exit) => void): Command {
  const program = new Command('ostler')
    .description('Ostler: a self-hosted CI master and worker.')
    .version(ownVersion(), '--version')
    .showHelpAfterError('(ostler --help lists what there is)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 the thing asked about failed, 2 wrong usage or configuration, 3 not reached or refused.',
    )
  for (const verb of verbs) verb(program, end)
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError(`(ostler ${command.name()} --help explains)`)
  return program
}
