// The `ostler` command: one file per verb in `verbs/`. `ostler worker` is the worker's own program (see bin/).
import {Command, CommanderError} from 'commander'
import {Ending, exits, type Exit} from './exits.ts'
import {ownVersion} from '../world/place.ts'
import {sayError} from './print.ts'
import {verbs} from './verbs/index.ts'

/** Runs the command; answers its exit code. */
export async function main(argv: readonly string[]): Promise<Exit> {
  let exit: Exit = exits.done
  // Who reads only the beginning (`| head`) is done; a master goes on without its standard output.
  if (argv[0] !== 'master')
    process.stdout.on(
      'error',
      (error: NodeJS.ErrnoException) => error.code === 'EPIPE' && process.exit(exits.done),
    )
  const program = new Command('ostler')
    .description('Ostler: a self-hosted CI master and worker.')
    .version(ownVersion(), '--version')
    .showHelpAfterError('(ostler --help lists what there is)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 the thing asked about failed, 2 wrong usage or configuration, 3 not reached or refused.',
    )
  for (const verb of verbs) verb(program, (code) => (exit = code))
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError(`(ostler ${command.name()} --help explains)`)
  try {
    if (argv.length === 0) program.help({error: true})
    await program.parseAsync([...argv], {from: 'user'})
    return exit
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exits.done : exits.usage
    if (!(error instanceof Ending)) throw error
    sayError(`ostler: ${error.message}`)
    return error.exit
  }
}
