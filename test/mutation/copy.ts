// A copy of the compiled code in a temporary folder, where one file at a time is changed: the working tree is never
// touched, and may be compiled meanwhile.
import {cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import ts from 'typescript'
import {sweep} from '../../scripts/leftovers.ts'
import {repository} from '../support/sources.ts'
import {type Guard, mutated} from './guard.ts'

/** What tests read beside the compiled code. */
const readOnly = ['config', 'test', 'node_modules']
const copied = ['bin', 'package.json', 'README.md']
const unneeded = /\.(d\.ts|map)$|^\.(tsbuild|embedded)|^bundle$/

export class Copy {
  readonly folder: string
  /** Where the tests make their own temporary files. */
  readonly temporary: string
  /** As they were at the start: what is edited meanwhile would not fit what was compiled. */
  private readonly sources: ReadonlyMap<string, string>

  constructor(guards: readonly Guard[]) {
    this.sources = new Map(guards.map(({file}) => [file, readFileSync(join(repository, file), 'utf8')]))
    this.folder = mkdtempSync(join(tmpdir(), 'ostler-mutate-'))
    this.temporary = join(this.folder, 'tmp')
    mkdirSync(this.temporary, {mode: 0o755})
    cpSync(join(repository, 'dist'), join(this.folder, 'dist'), {
      recursive: true,
      filter: (path) => !unneeded.test(basename(path)),
    })
    for (const name of readOnly) symlinkSync(join(repository, name), join(this.folder, name))
    for (const name of copied) cpSync(join(repository, name), join(this.folder, name), {recursive: true})
  }

  /** Takes a guard away, for as long as `work` takes. Throws GuardMoved. */
  async without<T>(guard: Guard, work: () => Promise<T>): Promise<T> {
    const place = join(this.folder, compiledName(guard.file))
    const code = compiled(guard.file, mutated(this.sources.get(guard.file) ?? '', guard))
    const whole = readFileSync(place)
    writeFileSync(place, code)
    try {
      return await work()
    } finally {
      writeFileSync(place, whole)
    }
  }

  /** Ends and removes what tests left behind: without its guard a test may leave anything. */
  async tidy(): Promise<void> {
    await sweep(this.temporary)
    mkdirSync(this.temporary, {mode: 0o755})
  }

  async remove(): Promise<void> {
    await sweep(this.folder)
  }
}

const compiledName = (file: string) => `dist/${file.replace(/\.ts$/, '.js')}`

const base = ts.readConfigFile(join(repository, 'tsconfig.base.json'), (path) => ts.sys.readFile(path))
const {options} = ts.convertCompilerOptionsFromJson(
  (base.config as {compilerOptions: object}).compilerOptions,
  repository,
)

/** By itself a file does not know that it lies in a package of modules. */
const alone: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  composite: false,
  declaration: false,
  sourceMap: false,
}

/** Compiles one file by itself, as `tsc -b` does it; throws when the mutant is no TypeScript. */
export function compiled(file: string, text: string): string {
  const {outputText, diagnostics = []} = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: {...options, ...alone},
    reportDiagnostics: true,
  })
  const [wrong] = diagnostics
  if (wrong)
    throw new Error(`${file} does not compile: ${ts.flattenDiagnosticMessageText(wrong.messageText, ' ')}`)
  return outputText
}
