package workload

import _ "example.com/pvlock/result" // want arrows: workload imports result, which is not below it; want twinned: imports example.com/pvlock/result
