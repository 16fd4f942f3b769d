package textpatch

import _ "golang.org/x/allowed"
