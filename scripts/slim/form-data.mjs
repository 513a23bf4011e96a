/** Axios makes one for a body that is an object; the bodies here are text. */
export default class FormData {
  constructor() {
    throw new Error('form-data is not part of this build');
  }
}
