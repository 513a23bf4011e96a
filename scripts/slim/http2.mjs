/** Every server is asked over HTTP/1.1, and loading Node's own module takes a twentieth of the start. */
export default {
  constants: {},
  connect() {
    throw new Error('http2 is not part of this build');
  },
};
