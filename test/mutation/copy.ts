// A copy of the compiled code in a temporary folder, where one file at a time is changed: the working tree is never
// touched. Files are hard links to ours, so a changed one is put in the place of its link, never written through it.
import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import ts from 'typescript'
import {sweep} from '../../scripts/leftovers.ts'
import {repository} from '../support/sources.ts'
import {type Guard, mutated} from './guard.ts'

/** What tests read beside the compiled code. */
const readOnly = ['config', 'test', 'node_modules']
const copied = ['bin', 'package.json', 'README.md']
const unneeded = /\.(d\.ts|map)$|^\.(tsbuild|embedded)/

export class Copy {
  readonly folder: string
  /** Where the tests make their own temporary files. */
  readonly temporary: string

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'ostler-mutate-'))
    this.temporary = join(this.folder, 'tmp')
    mkdirSync(this.temporary, {mode: 0o755})
    link(join(repository, 'dist'), join(this.folder, 'dist'))
    for (const name of readOnly) symlinkSync(join(repository, name), join(this.folder, name))
    for (const name of copied) cpSync(join(repository, name), join(this.folder, name), {recursive: true})
  }

  /** Takes a guard away, for as long as `work` takes. Throws GuardMoved. */
  async without<T>(guard: Guard, work: () => Promise<T>): Promise<T> {
    const place = join(this.folder, compiledName(guard.file))
    const code = compiled(guard.file, mutated(readFileSync(join(repository, guard.file), 'utf8'), guard))
    rmSync(place)
    writeFileSync(place, code)
    try {
      return await work()
    } finally {
      rmSync(place)
      linkOrCopy(join(repository, compiledName(guard.file)), place)
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

function link(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, {withFileTypes: true})) {
    if (unneeded.test(entry.name)) continue
    const [here, there] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) link(here, there)
    else linkOrCopy(here, there)
  }
}

/** The temporary folder may be on another disk. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to)
  }
}
