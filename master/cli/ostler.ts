// The `ostler` command: one file per verb in `verbs/`. `ostler worker` is the worker's own program (see bin/).
import {CommanderError} from 'commander'
import {Ending, exits, type Exit} from './exits.ts'
import {sayError} from './print.ts'
import {ostlerProgram} from './program.ts'

/** Runs the command; answers its exit code. */
export async function main(argv: readonly string[]): Promise<Exit> {
  let exit: Exit = exits.done
  // Who reads only the beginning (`| head`) is done; a master goes on without its standard output.
  if (argv[0] !== 'master')
    process.stdout.on(
      'error',
      (error: NodeJS.ErrnoException) => error.code === 'EPIPE' && process.exit(exits.done),
    )
  const program = ostlerProgram((code) => (exit = code))
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
