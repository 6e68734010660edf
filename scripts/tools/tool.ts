// What an operator's tool is.
import type {Command} from 'commander'

/** A tool's command line; `end` takes its exit code. */
export type Tool = (end: (exit: number) => void) => Command
