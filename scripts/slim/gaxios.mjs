// The framework sends its own requests with it, all of which are replaced by those of src/kube.
export const instance = {
  request() {
    throw new Error('gaxios is not part of this build');
  },
};
