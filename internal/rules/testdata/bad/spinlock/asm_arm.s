// want twinned: Go alone
