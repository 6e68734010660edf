// placeholder
export const entities = []
