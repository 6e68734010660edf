// CRC-32 of a whole from the CRC-32s of its parts, so that a log's checksum grows with its segments without anyone
// reading the text again. The arithmetic is polynomials over GF(2) modulo the CRC's, low bit first.

const polynomial = 0xedb88320

/** a times b. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= b
    b = b & 1 ? (b >>> 1) ^ polynomial : b >>> 1
  }
  return product >>> 0
}

/** x to the power of 2^n, for each n: one squaring after another. */
const powers = (() => {
  const table = [0x40000000] // x
  for (let n = 1; n < 64; n++) table.push(multiply(table[n - 1] as number, table[n - 1] as number))
  return table
})()

/** The CRC-32 of two pieces put together; `length` is the second one's, in bytes. */
export function combineCrc(first: number, second: number, length: number): number {
  let shift = 0x80000000 // 1
  let n = 3 // a byte shifts by 2^3 bits
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(powers[n] as number, shift)
    n++
  }
  return (multiply(shift, first) ^ second) >>> 0
}
