// `ostler worker` for the help only: the executable hands it to the worker's own program before this one starts.
import {workerProgram} from '../../../worker/options.ts'
import type {Verb} from '../verb.ts'

export const worker: Verb = (program) => program.addCommand(workerProgram('worker'))
