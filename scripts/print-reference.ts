// Prints config/reference.md and config/ostler.schema.json from the kinds. With --check it writes nothing and exits 1,
// naming the files that are stale.
import {readFileSync, writeFileSync} from 'node:fs'
import {jsonSchema, reference} from '../config/print.ts'

const files = {
  'config/reference.md': reference(),
  'config/ostler.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

// White space is prettier's to arrange.
const bare = (text: string): string => text.replace(/\s+/g, '')

const stale = Object.entries(files).filter(([file, text]) => bare(readOrNothing(file)) !== bare(text))
if (process.argv.includes('--check')) {
  for (const [file] of stale) console.error(`${file} is stale: run "npm run docs"`)
  process.exitCode = stale.length > 0 ? 1 : 0
} else {
  for (const [file, text] of stale) {
    writeFileSync(file, text)
    console.log(`printed ${file}`)
  }
}
