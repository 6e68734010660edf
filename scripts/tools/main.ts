// The operators' tools, each a command of its own: bin/ostler.mjs comes here when it is called by the name of one.
import {CommanderError} from 'commander'
import {Ending, exits, type Exit} from '../../master/cli/exits.ts'
import {sayError} from '../../master/cli/print.ts'
import {cleanupContainers} from './cleanup-containers.ts'
import {collectLogs} from './collect-logs.ts'
import {createImage} from './create-image.ts'
import {listImages} from './list-images.ts'
import {runInContainer} from './run-in-container.ts'
import type {Tool} from './tool.ts'

/** Every tool, in the order of its work. */
export const tools: readonly Tool[] = [
  createImage,
  listImages,
  runInContainer,
  cleanupContainers,
  collectLogs,
]

/** Runs the tool of this name; answers its exit code. */
export async function main([name = '', ...argv]: readonly string[]): Promise<number> {
  let exit: number = exits.done
  const programs = tools.map((tool) => tool((code) => (exit = code)))
  const program = programs.find((each) => each.name() === name)
  if (!program) {
    sayError(`there is no tool ${name}; there are ${programs.map((each) => each.name()).join(', ')}`)
    return exits.usage
  }
  // Who reads only the beginning (`| head`) is done.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exits.done)
  })
  try {
    await program
      .exitOverride()
      .showHelpAfterError(`(${name} --help explains)`)
      .parseAsync([...argv], {from: 'user'})
    return exit
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exits.done : exits.usage
    if (!(error instanceof Ending)) throw error
    sayError(`${name}: ${error.message}`)
    return error.exit satisfies Exit
  }
}
