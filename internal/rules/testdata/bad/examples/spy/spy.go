package spy

import _ "example.com/pvlock/internal/arch" // want examples: imports internal/arch
