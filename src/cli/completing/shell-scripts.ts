/** The file name of the program, as krew and kubectl look for it. */
const PROGRAM = 'kubectl-kms_vault';

/** Works with the bash 3.2 of macOS, too. */
const BASH = `# bash completion for ${PROGRAM}
_kubectl_kms_vault() {
  local line current="\${COMP_WORDS[COMP_CWORD]}" files=
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :0) files=yes ;;
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [ -n "$files" ]; then
    [ "$current" = "=" ] && current=
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
      COMPREPLY+=("$line")
    done < <(compgen -f -- "$current")
  fi
}
complete -F _kubectl_kms_vault ${PROGRAM}
`;

const ZSH = `#compdef ${PROGRAM}
_kubectl_kms_vault() {
  local line word files=
  local -a arguments candidates
  arguments=("\${(@)words[2,CURRENT]}")
  while IFS= read -r line; do
    case "$line" in
      :0) files=yes ;;
      :*) ;;
      *$'\\t'*)
        word="\${line%%$'\\t'*}"
        candidates+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
        ;;
      *) candidates+=("\${line//:/\\\\:}") ;;
    esac
  done < <("\${words[1]}" __complete "\${arguments[@]}" 2>/dev/null)
  if (( \${#candidates} )); then
    _describe '${PROGRAM}' candidates
  fi
  if [[ -n "$files" ]]; then
    _files
  fi
}
if [ "$funcstack[1]" = "_kubectl_kms_vault" ]; then
  _kubectl_kms_vault "$@"
else
  compdef _kubectl_kms_vault ${PROGRAM}
fi
`;

const FISH = `# fish completion for ${PROGRAM}
function __kubectl_kms_vault_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in ($program __complete $words "$current" 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path "$current"
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c ${PROGRAM} -f -a '(__kubectl_kms_vault_complete)'
`;

/** For the completion of kubectl itself, which looks for a program of this name on the PATH. */
const KUBECTL = `#!/bin/sh
# Save as kubectl_complete-kms_vault on the PATH, executable: kubectl completes "kubectl kms-vault" with it.
exec ${PROGRAM} __complete "$@"
`;

/** By the argument of the command. */
export const SHELL_SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH, kubectl: KUBECTL } as const;

export type CompletedShell = keyof typeof SHELL_SCRIPTS;
