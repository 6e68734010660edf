// The command lines beside the product (bench, load, simulate, chaos, crash-points, mutate): each answers `--help` and words
// that mean nothing in the same way.

/** Reads the words and does what they ask; answers the exit code. `read` gives null for help, and throws on what is wrong: 2. */
export async function command<Options>(
  usage: string,
  read: () => Options | null,
  run: (options: Options) => Promise<number>,
): Promise<number> {
  let options: Options | null
  try {
    options = read()
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  if (options !== null) return await run(options)
  process.stdout.write(usage)
  return 0
}

/** An option's whole number; throws an Error that says what it wants. */
export function whole(name: string, text: string, least: number): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least && text.trim() !== '') return number
  throw new Error(`--${name} wants a whole number of at least ${least}, not ${text}`)
}

/** An option's number above 0; throws an Error that says what it wants. */
export function positive(name: string, text: string): number {
  const number = Number(text)
  if (number > 0 && Number.isFinite(number)) return number
  throw new Error(`--${name} wants a number above 0, not ${text}`)
}
