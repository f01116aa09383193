/** Compresses a request, where the browser can. */
export const packed = async (text: string): Promise<Blob | undefined> =>
  globalThis.CompressionStream && new Response(new Response(text).body!.pipeThrough(new CompressionStream("gzip"))).blob();
